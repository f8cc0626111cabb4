package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const commandsHead = `# Commands

What the program says of itself with ` + "`--help`" + `. Flags may stand before or after arguments. Errors are one line on standard
error. Exit codes: 0 done, 1 failed, 2 the command or the configuration was not written as it must be, 3 stored but no proxy took it
(` + "`publish`, `kick`" + `), 4 the device has not answered in time (` + "`devices command`" + `). ` + "`griphub completion bash`" + `
(` + "`zsh`, `fish`, `powershell`" + `) prints a script for the shell.

Every command has these flags:

`

// writeCommands writes what all commands say of themselves.
func writeCommands(b *strings.Builder, root *cobra.Command) {
	b.WriteString(commandsHead)
	writeFlags(b, root.PersistentFlags())
	writeCommand(b, root)
}

func writeCommand(b *strings.Builder, cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		if sub.Hidden || sub.Name() == "help" || sub.Name() == "completion" {
			continue
		}
		fmt.Fprintf(b, "\n## %s\n\n%s.\n", sub.CommandPath(), sub.Short)
		if sub.Runnable() && !sub.HasSubCommands() {
			fmt.Fprintf(b, "\n```text\n%s\n```\n", sub.UseLine())
		}
		if sub.Long != "" {
			fmt.Fprintf(b, "\n%s\n", sub.Long)
		}
		if sub.Example != "" {
			fmt.Fprintln(b)
			for line := range strings.Lines(sub.Example) {
				fmt.Fprintf(b, "    %s\n", strings.TrimSpace(line))
			}
		}
		if sub.LocalNonPersistentFlags().HasAvailableFlags() {
			fmt.Fprintln(b)
			writeFlags(b, sub.LocalNonPersistentFlags())
		}
		writeCommand(b, sub)
	}
}

func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	b.WriteString("| flag | default | meaning |\n|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, meaning := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if value != "" {
			name += " " + value
		}
		standard := ""
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" {
			standard = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", cell(name), standard, cell(meaning))
	})
}
