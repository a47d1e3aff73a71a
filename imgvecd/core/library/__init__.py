"""The library as a whole: the engine, its models, its care, its ways in and out."""
