"""Changes of a patch that combine several decisions, chosen by values that are estimated from the clip."""
