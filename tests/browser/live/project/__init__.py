"""The example shop as the live tests run it, with a strict policy and two tasks more."""
