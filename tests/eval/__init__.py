"""The evaluation set: incidents with known causes, as a triager meets them."""
