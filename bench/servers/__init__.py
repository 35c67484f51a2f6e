"""Our HTTP server beside others, with the same Django code behind all of them."""
