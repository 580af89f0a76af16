"""A lab of network namespaces around Guideway; the tests and scripts/demo are built on it."""
