"""From what agents propose to what people decide and the publisher applies."""
