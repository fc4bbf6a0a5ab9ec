"""The command line: one file for each sub-command, parse, call one library function, show."""
