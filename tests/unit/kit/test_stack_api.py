"""The REST client against a tiny scripted Airflow: tokens, pages, waiting, and what errors say."""

import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from compai_kit.airflow_stack.api import AirflowApi
from compai_kit.airflow_stack.errors import (
    ApiError,
    ApiUnreachableError,
    ComponentDiedError,
    RunTimeoutError,
)

Handler = Callable[[Request], Response]


def answer(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")


class ScriptedAirflow:
    """Answers by "METHOD path"; each route has a list of handlers, the last one stays."""

    def __init__(self) -> None:
        self.routes: dict[str, list[Handler]] = {}
        self.seen: list[Request] = []
        self.tokens = 0

    def on(self, route: str, *handlers: Handler | object) -> None:
        self.routes[route] = [
            handler if callable(handler) else (lambda _, body=handler: answer(body))
            for handler in handlers
        ]

    def calls(self, route: str) -> int:
        return sum(f"{request.method} {request.path}" == route for request in self.seen)

    @Request.application
    def __call__(self, request: Request) -> Response:
        request.get_data()  # read the body while the connection is open
        self.seen.append(request)
        if request.path == "/auth/token":
            self.tokens += 1
            return answer({"access_token": f"token-{self.tokens}"}, 201)
        handlers = self.routes.get(f"{request.method} {request.path}")
        if not handlers:
            return answer({"detail": "no such route"}, 404)
        handler = handlers.pop(0) if len(handlers) > 1 else handlers[0]
        return handler(request)


@pytest.fixture
def airflow() -> ScriptedAirflow:
    return ScriptedAirflow()


@pytest.fixture
def api(airflow: ScriptedAirflow) -> Iterator[AirflowApi]:
    server = make_server("127.0.0.1", 0, airflow, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    client = AirflowApi(f"http://127.0.0.1:{server.server_port}", "compai", "secret-word")
    yield client
    client.close()
    server.shutdown()
    thread.join()
    server.server_close()


RUN = "/api/v2/dags/d/dagRuns/r"


def test_one_token_serves_many_calls(airflow: ScriptedAirflow, api: AirflowApi) -> None:
    airflow.on(f"GET {RUN}", {"state": "running"})

    for _ in range(3):
        api.run_state("d", "r")

    assert airflow.tokens == 1
    assert airflow.seen[-1].headers["Authorization"] == "Bearer token-1"


def test_a_refused_token_is_renewed_once(airflow: ScriptedAirflow, api: AirflowApi) -> None:
    def needs_second_token(request: Request) -> Response:
        good = request.headers["Authorization"] == "Bearer token-2"
        return answer({"state": "success"}) if good else answer({"detail": "expired"}, 401)

    airflow.on(f"GET {RUN}", needs_second_token)

    assert api.run_state("d", "r") == "success"
    assert airflow.tokens == 2


def test_a_token_refused_twice_is_an_error_without_the_password(
    airflow: ScriptedAirflow, api: AirflowApi
) -> None:
    airflow.on(f"GET {RUN}", lambda _: answer({"detail": "no"}, 401))

    with pytest.raises(ApiError) as caught:
        api.run_state("d", "r")

    assert str(caught.value) == f'Airflow answered GET {RUN} with 401: {{"detail": "no"}}'
    assert airflow.tokens == 2


def test_version_needs_no_token(airflow: ScriptedAirflow, api: AirflowApi) -> None:
    airflow.on("GET /api/v2/version", {"version": "3.3.2", "git_version": None})

    assert api.version() == "3.3.2"
    assert airflow.tokens == 0


def test_health_needs_no_token_and_reads_the_fields(
    airflow: ScriptedAirflow, api: AirflowApi
) -> None:
    airflow.on(
        "GET /api/v2/monitor/health",
        {"metadatabase": {"status": "healthy"}, "scheduler": {"status": "unhealthy"}},
    )

    assert api.health() == {
        "metadatabase": "healthy",
        "scheduler": "unhealthy",
        "triggerer": None,
        "dag_processor": None,
    }
    assert airflow.tokens == 0


def test_collections_are_read_page_by_page(airflow: ScriptedAirflow, api: AirflowApi) -> None:
    def page(request: Request) -> Response:
        start = int(request.args["offset"])
        rows = [{"dag_id": f"dag_{n}"} for n in range(start, min(start + 100, 230))]
        return answer({"dags": rows, "total_entries": 230})

    airflow.on("GET /api/v2/dags", page)

    assert len(api.dag_ids()) == 230
    assert airflow.calls("GET /api/v2/dags") == 3


def test_trigger_quotes_names_and_sends_a_null_logical_date(
    airflow: ScriptedAirflow, api: AirflowApi
) -> None:
    airflow.on("POST /api/v2/dags/a b/dagRuns", {"dag_run_id": "manual__1"})

    assert api.trigger("a b", conf={"x": 1}) == "manual__1"

    sent = json.loads(airflow.seen[-1].get_data())
    assert sent["logical_date"] is None
    assert sent["conf"] == {"x": 1}


def test_run_ids_are_quoted(airflow: ScriptedAirflow, api: AirflowApi) -> None:
    airflow.on("GET /api/v2/dags/d/dagRuns/manual__00:00+00:00", {"state": "queued"})

    assert api.run_state("d", "manual__00:00+00:00") == "queued"


def test_wait_ends_at_the_first_terminal_state(airflow: ScriptedAirflow, api: AirflowApi) -> None:
    airflow.on(f"GET {RUN}", {"state": "queued"}, {"state": "running"}, {"state": "failed"})

    assert api.wait_for_run("d", "r", timeout_s=30) == "failed"
    assert airflow.calls(f"GET {RUN}") == 3


def test_wait_ends_at_once_on_an_error_answer(airflow: ScriptedAirflow, api: AirflowApi) -> None:
    with pytest.raises(ApiError, match="404"):
        api.wait_for_run("d", "unknown", timeout_s=30)

    assert airflow.calls("GET /api/v2/dags/d/dagRuns/unknown") == 1


def test_wait_survives_an_airflow_that_does_not_answer_for_a_while(
    airflow: ScriptedAirflow, api: AirflowApi
) -> None:
    def cut(request: Request) -> Response:
        request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return answer({})

    airflow.on(f"GET {RUN}", {"state": "running"}, cut, {"state": "success"})

    assert api.wait_for_run("d", "r", timeout_s=30) == "success"


def test_wait_gives_up_with_states_ages_and_log_tail(
    airflow: ScriptedAirflow, api: AirflowApi
) -> None:
    airflow.on(f"GET {RUN}", {"state": "running"})
    row = {"task_id": "t", "map_index": -1, "state": "running", "try_number": 2, "duration": None}
    row |= {"start_date": "2026-01-01T00:00:00Z"}
    airflow.on("GET /api/v2/dags/d", {"is_paused": False})
    airflow.on(f"GET {RUN}/taskInstances", {"task_instances": [row], "total_entries": 1})
    airflow.on(f"GET {RUN}/taskInstances/t/logs/2", {"content": [{"event": "still at it"}]})

    with pytest.raises(RunTimeoutError) as caught:
        api.wait_for_run("d", "r", timeout_s=0.3)

    text = str(caught.value)
    assert "run r of d did not end within 0.3 s; last state: running (seen 0." in text
    assert "t: running for " in text
    assert "--- end of the log of t, try 2 ---\nstill at it" in text
    assert caught.value.last_state == "running"


def test_a_run_of_a_paused_dag_is_explained(airflow: ScriptedAirflow, api: AirflowApi) -> None:
    airflow.on(f"GET {RUN}", {"state": "queued"})
    airflow.on("GET /api/v2/dags/d", {"is_paused": True})

    with pytest.raises(RunTimeoutError, match="the DAG is paused: its runs stay queued"):
        api.wait_for_run("d", "r", timeout_s=0.2)


def test_a_run_that_takes_too_long_is_stopped(airflow: ScriptedAirflow, api: AirflowApi) -> None:
    airflow.on("POST /api/v2/dags/d/dagRuns", {"dag_run_id": "r"})
    airflow.on(f"GET {RUN}", {"state": "running"})
    airflow.on(f"GET {RUN}/taskInstances", {"task_instances": [], "total_entries": 0})
    airflow.on(f"PATCH {RUN}", {"state": "failed"})

    with pytest.raises(RunTimeoutError):
        api.run("d", timeout_s=0.2)

    assert airflow.calls(f"PATCH {RUN}") == 1


def test_wait_says_when_nothing_ever_answered() -> None:
    api = AirflowApi("http://127.0.0.1:9", "u", "p")

    with pytest.raises(RunTimeoutError, match="last state: never seen") as caught:
        api.wait_for_run("d", "r", timeout_s=0.2)

    assert "Airflow did not answer" in str(caught.value)


def test_wait_is_cut_short_by_the_check(airflow: ScriptedAirflow) -> None:
    def died() -> None:
        raise ComponentDiedError("scheduler ended by itself")

    api = AirflowApi("http://127.0.0.1:9", "u", "p", check=died)

    with pytest.raises(ComponentDiedError, match="scheduler ended by itself"):
        api.wait_for_run("d", "r", timeout_s=60)


def test_an_unreachable_airflow_is_named_with_the_call() -> None:
    api = AirflowApi("http://127.0.0.1:9", "u", "p")

    with pytest.raises(
        ApiUnreachableError,
        match=r"did not answer GET /api/v2/monitor/health at http://127\.0\.0\.1:9",
    ):
        api.health()


def test_variables_are_created_overwritten_and_taken_away(
    airflow: ScriptedAirflow, api: AirflowApi
) -> None:
    airflow.on("POST /api/v2/variables", {}, lambda _: answer({"detail": "exists"}, 409))
    airflow.on("PATCH /api/v2/variables/B", {})
    airflow.on("DELETE /api/v2/variables/A", lambda _: Response(status=204))

    api.set_variables({"A": "1", "B": "2"})
    api.delete_variables()  # B is gone already: 404 is as good as deleted
    api.delete_variables()

    assert airflow.calls("PATCH /api/v2/variables/B") == 1
    assert airflow.calls("DELETE /api/v2/variables/A") == 1
    assert airflow.calls("DELETE /api/v2/variables/B") == 1


def test_another_error_while_setting_variables_is_raised(
    airflow: ScriptedAirflow, api: AirflowApi
) -> None:
    airflow.on("POST /api/v2/variables", lambda _: answer({"detail": "no"}, 403))

    with pytest.raises(ApiError, match="403"):
        api.set_variables({"A": "1"})


def test_an_answer_that_is_not_json_is_an_error(airflow: ScriptedAirflow, api: AirflowApi) -> None:
    airflow.on(f"GET {RUN}", lambda _: Response("<html>hello</html>", content_type="text/html"))

    with pytest.raises(ApiError, match="not JSON: '<html>hello</html>'"):
        api.run_state("d", "r")


def test_a_connection_is_replaced_whole_and_taken_away(
    airflow: ScriptedAirflow, api: AirflowApi
) -> None:
    airflow.on("POST /api/v2/connections", {})
    airflow.on("DELETE /api/v2/connections/comp_ai", lambda _: Response(status=204))

    api.set_connection("comp_ai", {"conn_type": "http", "host": "comp-ai", "port": 3002})
    sent = json.loads(airflow.seen[-1].get_data())
    api.delete_connection("comp_ai")
    api.delete_connection("never there")

    assert sent == {
        "connection_id": "comp_ai",
        "conn_type": "http",
        "host": "comp-ai",
        "port": 3002,
    }
    # Fields of an earlier Connection must not stay in force, so it goes first.
    assert airflow.calls("DELETE /api/v2/connections/comp_ai") == 2


def test_every_text_has_all_tries_all_mapped_instances_and_all_xcoms(
    airflow: ScriptedAirflow, api: AirflowApi
) -> None:
    def task(task_id: str, map_index: int, tries: int) -> dict[str, object]:
        row = {"task_id": task_id, "map_index": map_index, "try_number": tries}
        return row | {"state": "failed", "duration": 1.0, "rendered_fields": {"op": 'a "quote"'}}

    def log(request: Request) -> Response:
        number, index = request.path.rpartition("/")[2], request.args["map_index"]
        return answer({"content": [{"event": f"try {number} of [{index}]", "token": "in a field"}]})

    airflow.on(f"GET {RUN}", {"conf": {"asked": "in the conf"}, "state": "failed"})
    tasks = [task("fetch", -1, 1), task("work", 0, 2)]
    airflow.on(f"GET {RUN}/taskInstances", {"task_instances": tasks, "total_entries": 2})
    for name, number in (("fetch", 1), ("work", 1), ("work", 2)):
        airflow.on(f"GET {RUN}/taskInstances/{name}/logs/{number}", log)
    entry = {"task_id": "work", "key": "outcomes", "map_index": 0}
    entries = {"xcom_entries": [entry], "total_entries": 1}
    airflow.on(f"GET {RUN}/taskInstances/~/xcomEntries", entries)
    airflow.on(f"GET {RUN}/taskInstances/work/xcomEntries/outcomes", {"value": [{"said": "deep"}]})

    texts = dict(api.every_text("d", "r"))

    assert list(texts) == [
        "run",
        "fetch",
        "log of fetch, try 1",
        "work[0]",
        "log of work[0], try 1",
        "log of work[0], try 2",
        "XCom outcomes of work[0]",
    ]
    assert "in the conf" in texts["run"]
    assert 'a "quote"' in texts["fetch"], "texts are as they are, not as JSON writes them"
    assert "try 2 of [0]" in texts["log of work[0], try 2"]
    assert "in a field" in texts["log of fetch, try 1"]
    assert "deep" in texts["XCom outcomes of work[0]"]
