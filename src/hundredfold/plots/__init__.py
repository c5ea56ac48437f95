"""Pictures: plain figures in, PNG or SVG out, all in one style."""
