package main

import (
	"os"

	"github.com/spf13/cobra"
)

func (a *app) newServe() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the backend, as configured",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			cfg, err := a.load(true, nil)
			if err != nil {
				return err
			}
			log, flush := a.logger(cfg.Log)
			defer flush()
			h, err := newHub(cmd.Context(), cfg, nil, "", log)
			if err != nil {
				return unlessStopped(cmd.Context(), err)
			}
			defer func() {
				if closed := h.db.Close(); err == nil {
					err = closed
				}
			}()
			stages, err := h.stages(ports{listen: "listen", ops: "ops_listen"})
			if err != nil {
				return err
			}
			if os.Geteuid() == 0 {
				log.Warn("griphub runs as root and needs no privileges: give it a user of its own, as its systemd unit does")
			}
			log.Info("griphub serves", "listen", cfg.Listen, "ops", cfg.OpsListen, "version", version())
			return runStages(cmd.Context(), log, stages...)
		},
	}
}
