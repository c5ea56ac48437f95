"""The simulated forge's operations, one module a topic, by the paths of GitHub's OpenAPI description."""
