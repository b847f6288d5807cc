"""Products, subscriptions and freezes as staff use them over HTTP."""

import pytest

from tests.central.api import Api, gym, product


@pytest.mark.req("C-01")
async def test_a_product_sold_at_f1_only_is_refused_at_f2(api: Api) -> None:
    await gym(api)
    await api.post("/api/products", product("P-2001", number="2001", sites=["F1"]))
    wish = {"person": "M1002", "product": "P-2001", "site": "F2", "start": "2026-03-10"}

    refusal = await api.post("/api/subscriptions", wish, status=422)

    assert refusal["code"] == "PRODUCT_NOT_AT_FACILITY"
    assert (await api.get("/api/subscriptions?person=M1002"))["items"] == []
