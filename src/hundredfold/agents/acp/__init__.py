"""Any agent that speaks the Agent Client Protocol over its standard streams, run once per attempt."""
