"""How GIFs become vectors: batching, encoding, deduplication."""
