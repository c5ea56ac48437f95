"""The JSON bodies of the simulated forge, in the shapes of GitHub's OpenAPI description."""
