"""The provider APIs the gateway speaks, one module each."""
