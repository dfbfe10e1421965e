"""What is said about a command line: help, and what was probably meant by a wrong one."""
