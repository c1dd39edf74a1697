"""What server and inbox say to each other. Pure: no network, no database, no screen."""
