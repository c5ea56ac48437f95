"""A simulated GitHub on loopback: REST API, git over HTTP and webhooks over real bare repositories."""
