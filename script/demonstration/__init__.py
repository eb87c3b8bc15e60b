"""Spot Optimizer at work on one screen; `script/demo` is the way in."""
