"""What filters of several categories share."""
