"""One idea each: Dags to read, run and copy."""
