"""MiniStack with credwarden's additions, in one process.

The additions replace functions of MiniStack 1.5.33 that are looked up when they are called. Each replaced name is
checked at start-up, so that another version is an error instead of silently serving its own functions.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import socket
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

from emulator import (
    alarms,
    cloudtrail,
    control,
    mail,
    networks,
    organization,
    regions,
    sample,
    securityhub,
    stacksets,
    transform,
    trust,
    wire,
)
from emulator.account import ACCOUNT
from emulator.answers import Answer, Refused
from emulator.identity import Identities
from emulator.last_accessed import CALLER
from emulator.traffic import Traffic

MINISTACK_VERSION = "1.5.33"
REGION = "eu-central-1"
SECRET = "test"
HOST = "127.0.0.1"

# The names that are replaced or used, by module.
_NEEDED = {
    "ministack.app": (
        "app",
        "AUTH",
        "SERVICE_HANDLERS",
        "_dispatch_service_request",
        "_reset_all_state",
        "_get_reset_lock",
        "_routing_params",
    ),
    "ministack.core.router": ("SERVICE_PATTERNS", "detect_service", "extract_access_key_id", "extract_region"),
    "ministack.core.iam_actions": (
        "SERVICE_TO_IAM_NAMESPACE",
        "_BOTOCORE_SERVICE_MAP",
        "_SERVICE_PROTOCOL",
        "extract_iam_action",
        "extract_resource_arn",
        "request_tag_context",
        "access_denied_response",
    ),
    "ministack.core.iam_evaluator": (
        "_resolve_condition_key",
        "enforce",
        "resolve_principal",
        "request_caller_arn",
        "AuthError",
        "EvalResult",
    ),
    "ministack.services.sts": ("_caller_identity", "_evict_expired_sessions"),
    "ministack.core.lambda_runtime": ("ProvidedWorker._spawn",),
    "ministack.core.responses": ("get_account_id", "get_region", "request_scope"),
    "ministack.services.iam": (
        "_IAM_HANDLERS",
        "_users",
        "_access_keys",
        "_login_profiles",
        "_roles",
        "_groups",
        "_policies",
        "_xml",
        "_error",
        "_p",
    ),
    "ministack.services.sns": (
        "_publish",
        "_fanout",
        "_error",
        "_p",
        "_message_payload_size",
        "_parse_message_attributes",
        "_topic_by_arn_any_scope",
        "_matches_filter_policy",
        "_resolve_message_for_protocol",
        "_build_envelope",
    ),
    "ministack.services.cloudformation.provisioners": (
        "_RESOURCE_HANDLERS",
        "_provision_resource",
        "_update_resource",
        "_delete_resource",
    ),
    "ministack.services.cloudformation.engine": (
        "_apply_transforms",
        "_transform_parameters",
        "_parse_template",
        "_resolve_parameters",
        "_evaluate_conditions",
        "_topological_sort",
        "_resolve_refs",
    ),
    "ministack.services.cloudformation.changesets": ("_apply_transforms", "_evaluate_conditions"),
    "ministack.services.cloudformation.handlers": (
        "_apply_transforms",
        "_evaluate_conditions",
        "_ACTION_HANDLERS",
        "_required_iam_capabilities",
        "_missing_capabilities",
        "_insufficient_capabilities_message",
    ),
    "ministack.services.cloudformation.stacks": ("_evaluate_conditions",),
    "ministack.services.eventbridge": ("_dispatch_to_lambda",),
    "ministack.services.scheduler": ("_tick_schedules", "_schedule_last_fired", "_schedules"),
    "ministack.services.lambda_svc": (
        "invoke_async_with_retry",
        "_get_func_record_for_ref",
        "_execution_record_for_config",
    ),
}


class WrongVersion(RuntimeError):
    """The installed MiniStack is not the version that the additions need."""


def environment(port: int, inherited: dict[str, str], log_level: str) -> dict[str, str]:
    """Returns the emulator's environment. The function inherits it, so it must have nothing from the caller: no HOME with
    an AWS profile, no proxy, no credentials."""
    kept = {name: inherited[name] for name in ("PATH", "TMPDIR", "LANG", "LC_ALL") if name in inherited}
    return {
        **kept,
        "TZ": "UTC",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
        "AUTH": "true",
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.1",
        "LOG_LEVEL": log_level,
    }


class Emulator:
    """MiniStack and the additions; create it once per process, after the environment is set."""

    def __init__(self, account: str = "sample") -> None:
        self._modules = _modules()
        self._app = self._modules["ministack.app"]
        self._first_account = account
        self.traffic = Traffic()
        self.mailbox = mail.Mailbox()
        self._connections = wire.Connections()
        self._workers: weakref.WeakSet = weakref.WeakSet()
        self.hub = securityhub.SecurityHub()
        self.identities = Identities(
            self._modules["ministack.services.iam"], self._modules["ministack.core.responses"], ACCOUNT, REGION
        )
        self.regions = regions.Regions()
        self.identity = self.identities.main
        self.organization = organization.Organization()
        self.stacksets = stacksets.StackSets(self._modules, self.organization)
        self.history = cloudtrail.EventHistory(self.identities, self.regions)
        self.networks = networks.Networks(self.identities, self.regions)
        self._control = control.Control(self)
        self._reset_ministack = self._app._reset_all_state
        self._dispatch = self._app._dispatch_service_request
        self._patch()
        self._start_over()

    def _patch(self) -> None:
        app, sns = self._app, self._modules["ministack.services.sns"]
        app._reset_all_state = self.reset
        app._dispatch_service_request = self._counted_dispatch
        self._modules["ministack.services.iam"]._IAM_HANDLERS.update(self.identities.handlers())
        sns._publish = mail.publish(sns._publish, sns, self.mailbox)
        sns._fanout = mail.fanout(sns._fanout, sns, self.mailbox)
        self._modules["ministack.services.eventbridge"]._dispatch_to_lambda = self._invoke_scheduled
        worker = self._modules["ministack.core.lambda_runtime"].ProvidedWorker
        worker._spawn = self._spawn_noted(worker._spawn)
        apply_transforms = transform.with_parameters(self._modules["ministack.services.cloudformation.engine"])
        conditions = transform.with_joins(self._modules["ministack.services.cloudformation.engine"])
        for name in ("changesets", "handlers", "stacks", "engine"):
            module = self._modules[f"ministack.services.cloudformation.{name}"]
            module._evaluate_conditions = conditions
            if name in ("changesets", "handlers"):
                module._apply_transforms = apply_transforms
        resources = self._modules["ministack.services.cloudformation.provisioners"]._RESOURCE_HANDLERS
        resources[alarms.TYPE] = alarms.with_metric_math(resources[alarms.TYPE])
        actions = self._modules["ministack.core.iam_actions"]
        actions.request_tag_context = alarms.with_condition_key(actions.request_tag_context)
        self._add_security_hub()
        self._add_operations(cloudtrail.SERVICE, LookupEvents=self.history.lookup_events)
        self._add_organization()
        self._add_operations(
            networks.SERVICE,
            DescribeRegions=self.regions.describe_regions,
            DescribeNetworkInterfaces=self.networks.describe_network_interfaces,
            DescribeAddresses=self.networks.describe_addresses,
        )

    def _add_organization(self) -> None:
        service, actions = organization.SERVICE, self._modules["ministack.core.iam_actions"]
        responses, evaluator = self._modules["ministack.core.responses"], self._modules["ministack.core.iam_evaluator"]
        roles = self._modules["ministack.services.iam"]._roles
        others, others_of_sts = self._app.SERVICE_HANDLERS[service], self._app.SERVICE_HANDLERS["sts"]
        sts = self._modules["ministack.services.sts"]
        sts._evict_expired_sessions = trust.at_intervals(sts._evict_expired_sessions)
        assume_role = trust.AssumeRole(sts, roles, self.organization)

        async def handler(method: str, path: str, headers: dict, body: bytes, query: dict) -> Answer:
            operation = headers.get("x-amz-target", "").rpartition(".")[2]
            try:
                answer = self.organization.call(operation, responses.get_account_id(), body)
            except Refused as refused:
                return refused.as_target_json()
            return answer or await others(method, path, headers, body, query)

        async def sts_handler(method: str, path: str, headers: dict, body: bytes, query: dict) -> Answer:
            parameters = self._app._routing_params(method, path, headers, body, query)
            if actions.extract_iam_action("sts", method, path, headers, body, parameters) == "sts:AssumeRole":
                try:
                    assume_role.check(headers, query, parameters, responses.get_region())
                except Refused as refused:
                    return refused.in_protocol("query-xml", "x-amz-target" in headers)
            return await others_of_sts(method, path, headers, body, query)

        resource_arn, tag_context = actions.extract_resource_arn, actions.request_tag_context

        def extract_resource_arn(
            name: str, method: str, path: str, headers: dict, body: bytes, query: dict, region: str, account: str
        ) -> str:
            if name == "cloudformation" and query.get("StackSetName"):
                return self.stacksets.arn(query["StackSetName"][0])
            return resource_arn(name, method, path, headers, body, query, region, account)

        def request_tag_context(of: str, action: str, body: bytes, parameters: dict) -> dict:
            # These operations have no tags. MiniStack would load the service's model to find that out.
            return {} if action.startswith(f"{service}:") else tag_context(of, action, body, parameters)

        self._app.SERVICE_HANDLERS.update({service: handler, "sts": sts_handler})
        actions.extract_resource_arn, actions.request_tag_context = extract_resource_arn, request_tag_context
        actions.access_denied_response = trust.with_reason(actions.access_denied_response)
        evaluator._resolve_condition_key = trust.with_role_arns(
            evaluator._resolve_condition_key, roles, self.organization
        )
        evaluator.enforce = trust.with_organization(evaluator.enforce, evaluator, responses, self.organization)
        cloudformation = "ministack.services.cloudformation"
        self._modules[f"{cloudformation}.provisioners"]._RESOURCE_HANDLERS[stacksets.TYPE] = self.stacksets.handler()
        self._modules[f"{cloudformation}.handlers"]._ACTION_HANDLERS["ListStackInstances"] = (
            self.stacksets.list_instances
        )

    def _add_operations(self, service: str, **operations: Callable[[str, str, bytes], Answer]) -> None:
        """Replaces operations of a service of MiniStack."""
        others, actions = self._app.SERVICE_HANDLERS[service], self._modules["ministack.core.iam_actions"]
        responses = self._modules["ministack.core.responses"]
        tag_context = actions.request_tag_context

        async def handler(method: str, path: str, headers: dict, body: bytes, query: dict) -> Answer:
            parameters = self._app._routing_params(method, path, headers, body, query)
            action = actions.extract_iam_action(service, method, path, headers, body, parameters) or ""
            operation = operations.get(action.removeprefix(f"{service}:"))
            if operation is None:
                return await others(method, path, headers, body, query)
            try:
                return operation(responses.get_account_id(), responses.get_region(), body)
            except Refused as refused:
                return refused.in_protocol(actions._SERVICE_PROTOCOL.get(service), "x-amz-target" in headers)

        def request_tag_context(of: str, action: str, body: bytes, parameters: dict) -> dict:
            # The operations have no tags. MiniStack would load the service's model to find that out: seconds for EC2.
            known = action.startswith(f"{service}:") and action.removeprefix(f"{service}:") in operations
            return {} if known else tag_context(of, action, body, parameters)

        self._app.SERVICE_HANDLERS[service] = handler
        actions.request_tag_context = request_tag_context

    def _add_security_hub(self) -> None:
        service, actions = securityhub.SERVICE, self._modules["ministack.core.iam_actions"]
        responses = self._modules["ministack.core.responses"]

        async def handler(method: str, path: str, _headers: dict, body: bytes, _query: dict) -> Answer:
            return await self.hub.handle(responses.get_account_id(), responses.get_region(), method, path, body)

        self._app.SERVICE_HANDLERS[service] = handler
        self._modules["ministack.core.router"].SERVICE_PATTERNS[service] = {"host_patterns": [r"securityhub\."]}
        actions.SERVICE_TO_IAM_NAMESPACE[service] = service
        actions._BOTOCORE_SERVICE_MAP[service] = [service]
        resource_arn, tag_context = actions.extract_resource_arn, actions.request_tag_context

        def extract_resource_arn(
            name: str, method: str, path: str, headers: dict, body: bytes, query: dict, region: str, account: str
        ) -> str:
            if name != service:
                return resource_arn(name, method, path, headers, body, query, region, account)
            operation = actions.extract_iam_action(name, method, path, headers, body, query) or ""
            return securityhub.permitted_resource(operation.partition(":")[2], account, region, body)

        def request_tag_context(name: str, action: str, body: bytes, parameters: dict) -> dict:
            if name != service:
                return tag_context(name, action, body, parameters)
            return securityhub.condition_context(action.partition(":")[2], body)

        actions.extract_resource_arn = extract_resource_arn
        actions.request_tag_context = request_tag_context

    async def _counted_dispatch(
        self, method: str, path: str, headers: dict, body: bytes, query: dict, request_id: str
    ) -> Answer:
        router, actions = self._modules["ministack.core.router"], self._modules["ministack.core.iam_actions"]
        parameters = self._app._routing_params(method, path, headers, body, query)
        service = router.detect_service(method, path, headers, parameters)
        action = actions.extract_iam_action(service, method, path, headers, body, parameters) or f"{service}:{method}"
        account = self._modules["ministack.core.responses"].get_account_id()
        if action == "sts:AssumeRole":
            account = trust.role_account((parameters.get("RoleArn") or [""])[0]) or account
        self._settle(account, action)
        try:
            arrival = self.traffic.arrive(
                action, router.extract_access_key_id(headers, query), router.extract_region(headers, query), account
            )
        except Refused as refused:
            return refused.in_protocol(actions._SERVICE_PROTOCOL.get(service), "x-amz-target" in headers)
        CALLER.set(router.extract_access_key_id(headers, query))
        fault = arrival.fault
        await asyncio.sleep(arrival.latency)
        if fault is not None and fault.how.startswith("denied"):
            by_policy = fault.how == "denied-by-scp"
            answer = self._denied(service, action, method, path, headers, body, query, request_id, by_policy)
            self.traffic.depart(arrival, answer)
            return answer
        if fault is not None and fault.how == "late":
            await asyncio.sleep(fault.seconds)
            fault = None
        answer = 200, {}, b""
        if fault is None or fault.done:
            answer = await self._dispatch(method, path, headers, body, query, request_id)
            self.traffic.depart(arrival, answer)
        if fault is not None and fault.how == "kill":
            self._kill_function()
        elif fault is not None:
            wire.CURRENT.get().fault = fault
        return answer

    def _settle(self, account: str, action: str) -> None:
        """Makes what an account has to have before it is called."""
        if account in self.organization.members:
            self.stacksets.settle(account)
        service, _, operation = action.partition(":")
        if service == "iam" and operation not in self.identity.handlers():
            self.identities.of(account).copy()

    def _denied(
        self,
        service: str,
        action: str,
        method: str,
        path: str,
        headers: dict,
        body: bytes,
        query: dict,
        request_id: str,
        by_policy: bool,
    ) -> Answer:
        """Returns what AWS answers when no policy allows the action, or a service control policy denies it."""
        actions, evaluator = self._modules["ministack.core.iam_actions"], self._modules["ministack.core.iam_evaluator"]
        parameters = self._app._routing_params(method, path, headers, body, query)
        account = self._modules["ministack.core.responses"].get_account_id()
        region = self._modules["ministack.core.router"].extract_region(headers, query)
        resource = actions.extract_resource_arn(service, method, path, headers, body, parameters, region, account)
        principal = evaluator.request_caller_arn(headers, query)
        message = trust.denial(principal, action, resource)
        if service in ("cloudtrail", "ec2"):  # They do not name a resource.
            message = f"User: {principal} is not authorized to perform: {action}"
        if service == "ec2":
            message = f"You are not authorized to perform this operation. {message}"
        if by_policy:
            message += f" {trust.POLICY}"
        elif action != "sts:AssumeRole":
            message += f" because no identity-based policy allows the {action} action"
        return actions.access_denied_response(service, action, principal, request_id, headers=headers, message=message)

    def _spawn_noted(self, spawn: Callable) -> Callable:
        def spawned(worker: Any, *arguments: Any, **options: Any) -> Any:
            self._workers.add(worker)
            return spawn(worker, *arguments, **options)

        return spawned

    def _kill_function(self) -> None:
        """Kills the process without notice, as when the machine fails."""
        for worker in self._workers:
            if worker._proc is not None:
                worker._proc.kill()

    def _invoke_scheduled(self, arn: str, payload: str) -> None:
        """Invokes as EventBridge does: asynchronously, with retries and destinations."""
        functions = self._modules["ministack.services.lambda_svc"]
        function, config, _name = functions._get_func_record_for_ref(arn)
        if function and config:
            record = functions._execution_record_for_config(function, config)
            functions.invoke_async_with_retry(record, json.loads(payload))

    def fire_schedules(self) -> list[str]:
        """Makes every schedule due and runs the scheduler once, without waiting; returns the schedules' names."""
        scheduler = self._modules["ministack.services.scheduler"]
        names = list(scheduler._schedules._data)
        for name in names:
            scheduler._schedule_last_fired[name] = 0.0
        scheduler._tick_schedules()
        return [key for _account, _region, key in names]

    async def reset_alone(self) -> None:
        """Resets while other requests wait, as MiniStack's own reset does."""
        async with self._app._get_reset_lock():
            await asyncio.to_thread(self.reset)

    def reset(self) -> None:
        """Restores the initial state."""
        self._reset_ministack()
        self._modules["ministack.services.scheduler"]._schedule_last_fired.clear()
        self._start_over()

    def _start_over(self) -> None:
        self.traffic.reset()
        self.mailbox.reset()
        self.hub.reset()
        self.regions.reset()
        self.organization.reset()
        self.stacksets.reset()
        self.identities.reset()
        self.history.reset()
        self.identity.load(sample.named(self._first_account))

    def stop(self) -> None:
        """Ends the function's processes, starts no more, and removes their unpacked files."""

        def refused(*_: Any) -> None:
            raise RuntimeError("the emulator is stopping")

        self._modules["ministack.core.lambda_runtime"].ProvidedWorker._spawn = refused
        self._reset_ministack()

    def watched(self, server: type) -> type:
        """Returns Hypercorn's server with connections that can be cut."""
        return self._connections.watch(server)

    def asgi(self, on_ready: Callable[[], None]) -> Callable:
        """Returns the application: the control endpoint, and MiniStack for all other paths."""

        async def application(scope: dict, receive: Callable, send: Callable) -> None:
            if scope["type"] == "http" and scope["path"].startswith(control.PREFIX):
                status, headers, body = await self._control.handle(scope["method"], scope["path"], await _body(receive))
                head = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
                await send({"type": "http.response.start", "status": status, "headers": head})
                await send({"type": "http.response.body", "body": body})
                return
            if scope["type"] == "lifespan":
                send = _watched(send, on_ready)
            if scope["type"] == "http":
                scope = _as_if_by_tls(scope)
                way = wire.Wire(self._connections, scope["client"], receive, send)
                wire.CURRENT.set(way)
                send = way.send
            await self._app.app(scope, receive, send)

        return application


def listen(port: int) -> socket.socket:
    """Returns a socket bound to the port on loopback; port 0 is any free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def serve(listener: socket.socket, account: str, exit_with_parent: bool, on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, or with `exit_with_parent` until standard input is closed."""
    emulator = Emulator(account)
    # Imported after MiniStack, which depends on it: a missing MiniStack is reported in one line.
    from hypercorn.asyncio import run as hypercorn_run
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    hypercorn_run.TCPServer = emulator.watched(hypercorn_run.TCPServer)

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = os.environ["LOG_LEVEL"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.2

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        if exit_with_parent:
            threading.Thread(target=_wait_for_parent, args=(loop, stop), daemon=True).start()

        async def stopped() -> None:
            # The function first: it would call a server that is gone, and its invocation would delay the end.
            await stop.wait()
            await asyncio.to_thread(emulator.stop)

        try:
            await hypercorn_serve(emulator.asgi(on_ready), config, shutdown_trigger=stopped)
        finally:
            emulator.stop()

    asyncio.run(run())


def _wait_for_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        continue
    loop.call_soon_threadsafe(stop.set)


def _modules() -> dict[str, Any]:
    try:
        modules = {name: importlib.import_module(name) for name in _NEEDED}
    except ImportError as error:
        raise WrongVersion(
            f"MiniStack {MINISTACK_VERSION} is not installed ({error}); install tests/requirements.txt"
        ) from None
    missing = [
        f"{module}.{name}" for module, names in _NEEDED.items() for name in names if not _has(modules[module], name)
    ]
    if missing:
        raise WrongVersion(
            f"this is not MiniStack {MINISTACK_VERSION}: it lacks {', '.join(missing)}; install tests/requirements.txt"
        )
    return modules


def _has(value: Any, path: str) -> bool:
    first, _, rest = path.partition(".")
    return hasattr(value, first) and (not rest or _has(getattr(value, first), rest))


def _watched(send: Callable, on_ready: Callable[[], None]) -> Callable:
    async def sent(message: dict) -> None:
        await send(message)
        if message["type"] == "lifespan.startup.complete":
            on_ready()

    return sent


def _as_if_by_tls(scope: dict) -> dict:
    """Marks the request as one that a TLS proxy forwards: policies that deny plain HTTP apply to external traffic."""
    if any(name == b"x-forwarded-proto" for name, _ in scope["headers"]):
        return scope
    return {**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}


async def _body(receive: Callable) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
