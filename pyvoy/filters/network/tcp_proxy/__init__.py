"""TCP proxy: `filter` decides where a connection goes and what its end means, `relay` moves the bytes."""
