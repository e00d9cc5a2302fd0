"""From a query to ranked GIFs: retrieval, reranking, ranking."""
