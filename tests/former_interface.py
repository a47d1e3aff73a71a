"""The interface of the former library, as it was printed; only the import is today's."""

import textwrap

AS_PRINTED = textwrap.dedent(
    """\
    from imgvecd import VectorDatabase, VectorDBManager

    db = VectorDatabase(model_name="ViT-B-32", pretrained="laion2b_s34b_b79k",
                        db_path="vector_db", dimension=512)
    image_id = db.add_image("path/or/URL.jpg", metadata={"category": "animals", "tags": ["cute", "dog"]})
    ids      = db.add_images_batch(paths, metadatas)
    results  = db.search_by_text("cute dog", k=5)
    similar  = db.search_by_image("query.jpg or URL", k=5)
    stats    = db.get_stats()

    manager = VectorDBManager(db_path="vector_db")
    stats   = manager.index_directory("images_folder/")
    results = manager.search_by_description("beautiful landscape", k=10)
    groups  = manager.find_duplicates(similarity_threshold=0.95)
    manager.export_metadata("out.json")
    """  # noqa: E501  # as printed
)
