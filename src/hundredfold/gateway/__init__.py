"""The metering proxy: a process of its own that holds the keys, knows the attempts and stops at limits."""
