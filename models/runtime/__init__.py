"""Frames through a network: torch on CPU and GPU, CUDA graphs, ONNX Runtime."""
