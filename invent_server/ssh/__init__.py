"""The inbox over ssh: `ssh -p 2222 NAME@host` opens NAME's inbox, and nothing else."""
