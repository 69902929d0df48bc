"""Local rate limit of requests: the filter, and the descriptors by which requests take from buckets of their own."""
