"""Renders at scale: which are accepted, shards, data sets and libraries."""
