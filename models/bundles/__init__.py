"""Model bundles: the manifest, and a loader for each kind."""
