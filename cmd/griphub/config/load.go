package config

// Options say where to look.
type Options struct {
	// File is the configuration file, which must exist. Empty means the variable GRIPHUB_CONFIG, and without it DefaultFile
	// in the working directory, which need not exist.
	File string
	// Environ holds NAME=value pairs, as os.Environ returns them.
	Environ []string
	// Overrides are the values of flags: a key's path and the text that was given for it.
	Overrides map[string]string
	// Serve also demands what only `griphub serve` needs: see Config.Check.
	Serve bool
}
