"""The native agent: an in-process loop over the Responses API with file tools and sandboxed commands."""
