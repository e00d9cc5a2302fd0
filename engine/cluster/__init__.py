"""What replicas share in Redis or Valkey, a single node or a Cluster. Optional; needs the extra ``redis``."""
