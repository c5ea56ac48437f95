"""A provider without a model, its exact log, and rehearsals of a whole fleet on it."""
