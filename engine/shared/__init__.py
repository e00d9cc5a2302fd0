"""What several engines know together, in Redis or Valkey: one node or a Cluster. Needs the extra ``redis``."""
