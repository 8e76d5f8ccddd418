"""One module per controller protocol: a pure codec and a driver on top of it."""
