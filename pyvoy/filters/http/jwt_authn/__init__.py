"""JWT authentication: requests need tokens that providers have signed."""
