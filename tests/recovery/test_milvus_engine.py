"""Who publishes to Milvus, where each source has one writer, and who may not."""

import dataclasses
import uuid

import numpy as np
import pytest
from certificates import make_certificate
from fast_serving import serving
from milvus_server import MilvusServer
from pictures import draw

from imgvecd.core.sharing.vector_engine import FACTS, FactStep, Member, Position
from imgvecd.errors import EngineError, SourceTakenError

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]


def test_a_process_that_was_replaced_writes_no_more(milvus_database):
    first, second = milvus_database.engine(), milvus_database.engine()
    member = Member(str(uuid.uuid4()), "nas", "here")
    number, _ = first.join(member)
    assert second.join(member)[0] == number  # the state directory has a lock: the first has ended
    with pytest.raises(EngineError, match="another process"):
        first.write(FACTS, Position(), Position(1, "x"), FactStep(1, ()))
    second.write(FACTS, Position(), Position(1, "y"), FactStep(1, ()))
    assert second.position(FACTS) == Position(1, "y")
    for engine in (first, second):
        engine.close()


def test_a_copy_of_a_state_directory_waits_to_see_whether_the_other_goes_on(milvus_database):
    first, copy = milvus_database.engine(), milvus_database.engine()
    member = Member(str(uuid.uuid4()), "nas", "here")
    number, _ = first.join(member)
    elsewhere = dataclasses.replace(member, writer="elsewhere")
    with pytest.raises(EngineError, match="or was until a moment ago"):
        copy.join(elsewhere)
    first.write(FACTS, Position(), Position(1, "x"), FactStep(1, ()))
    with pytest.raises(SourceTakenError):
        copy.join(elsewhere)
    first.close()  # which lets go of the source: the state directory may have moved
    assert copy.join(elsewhere)[0] == number
    assert copy.position(FACTS) == Position(1, "x")
    copy.close()


def test_a_wrong_password_is_told_and_nothing_is_published(tmp_path, milvus_database, milvus):
    engine = milvus_database.engine()
    right = milvus.password.read_text()
    milvus.password.write_text("wrong")
    try:
        wrong = milvus_database.engine()
    finally:
        milvus.password.write_text(right)
    with pytest.raises(EngineError, match="are user and password right"):
        wrong.search("model", np.ones(4, np.float32), 1, None)
    engine.prepare()
    for each in (engine, wrong):
        each.close()


def test_over_tls_the_server_is_verified(tmp_path):
    pytest.importorskip("pymilvus", reason="`pip install 'imgvecd[milvus]'`")
    from imgvecd.adapters.milvus.engine import MilvusEngine  # noqa: PLC0415  # an extra

    certificate, key = make_certificate(tmp_path / "right")
    another, _ = make_certificate(tmp_path / "wrong")
    settings = ("tls_mode=1", f"server_pem_path={certificate}", f"server_key_path={key}")
    server = MilvusServer(settings, certificate)
    try:
        database = server.make_database()
        engine = database.engine()
        assert engine.join(Member(str(uuid.uuid4()), "nas", "here"))[0] >= 1
        engine.close()
        plain = database.url.replace("https:", "http:").partition("?")[0]
        for url in (database.url.replace(str(certificate), str(another)), plain):
            refused = MilvusEngine(url, str(server.password))
            with pytest.raises(EngineError, match="does it speak TLS"):
                refused.prepare()
            refused.close()
    finally:
        server.close()


def give_each_the_vector_of_another(database):
    """Change what is published, as a host that runs another model would."""
    with database.server.client(database=database.name) as client:
        (name,) = (n for n in client.list_collections() if n.startswith("imgvecd_vectors_"))
        rows = client.query(
            name, filter="key >= 0", output_fields=["*"], consistency_level="Strong"
        )
        others = [row["vector"] for row in rows[1:] + rows[:1]]
        changed = [{**row, "vector": other} for row, other in zip(rows, others, strict=True)]
        client.upsert(name, changed)


def test_a_daemon_takes_right_vectors_and_refuses_a_source_with_wrong_ones(
    tmp_path, milvus_database
):
    settings = {
        "shared__engine": "milvus",
        "shared__url": milvus_database.url,
        "shared__password_file": milvus_database.server.password,
    }

    def shared(daemon):
        return daemon.status()["shared"]

    def is_published(daemon):
        return shared(daemon)["error"] is None and shared(daemon)["waiting"] == 0

    def draw_some(folder, numbers):
        for number in numbers:
            draw(folder / f"{number}.png", number)
        return folder

    with serving(tmp_path / "nas") as start_nas, serving(tmp_path / "desktop") as start_desktop:
        nas = start_nas(draw_some(tmp_path / "a", range(20)), shared__name="nas", **settings)
        nas.wait_until_indexed(20)
        nas.wait_until(lambda: is_published(nas))
        photos = draw_some(tmp_path / "b", range(10))
        desktop = start_desktop(photos, shared__name="desktop", **settings)
        desktop.wait_until_indexed(10)
        taken = shared(desktop)["vectors_taken"]
        assert taken >= 1
        assert shared(desktop)["sources_refused"] == []
        desktop.wait_until(lambda: is_published(desktop))

        assert nas.stop() == 0
        give_each_the_vector_of_another(milvus_database)
        assert desktop.stop() == 0  # who starts anew begins with comparing
        desktop = start_desktop(photos, shared__name="desktop", **settings)
        draw_some(photos, range(10, 20))
        desktop.wait_until(lambda: shared(desktop)["sources_refused"])
        desktop.wait_until_indexed(20)
        encoded = tmp_path / "desktop" / "encoded"
        desktop.wait_until(lambda: len(encoded.read_text().splitlines()) == 20 - taken)
        reasons = desktop.get("/v1/health")["reasons"]
        assert any("no vectors are taken from source" in reason for reason in reasons)
