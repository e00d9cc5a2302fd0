"""What several engines share in Redis or Valkey, one node or a Cluster. Needs the extra ``redis``."""
