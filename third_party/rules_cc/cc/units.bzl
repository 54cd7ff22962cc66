"""The sources of the product that are compiled as one (decision 0097).

Each string names, without ".cc", the sources that one compiler reads. A package
of this list names all sources of its libraries that are not only for tests.
About 1,400 lines together are enough: all are compiled when one changes.
"""

UNITS = {
    "kv/command": [
        "command move_command session_stamp version",
        "decimal result result_check",
    ],
    "kv/moves": ["copy_reader next_step"],
    "kv/slots": ["slot slot_scan slot_strategy"],
    "kv/store": [
        "evaluate growth long_read read",
        "change_log keyspace record record_pool table",
        "ownership parameters store work",
        "moves sessions slot_items snapshot",
    ],
    "net": ["log_tracer real_env"],
    "net/disk": ["disk_thread file_disk posix_file"],
    "net/event_loop": ["clock loop"],
    "net/streams": ["sockets stream stream_poller"],
    "net/tools": [
        "blocking_socket child_process daemon descriptors listen_check" +
        " lock_owner start_traces",
        "cluster_view control resp_client",
        "admin_link change_operation debug_verb http_request member_verbs",
        "quickstart quickstart_plan",
        "counter_load quickstart_add quickstart_files scale_demo",
    ],
    "node/admin": ["admin_api admin_json admin_session"],
    "node/base": ["disk_watch http_date reply_text"],
    "node/cluster": [
        "address_cache cluster_map node_addresses peer_dialer slot_owners",
    ],
    "node/commands": ["command_table glob translate"],
    "node/config": [
        "bootstrap_plan config_parameters host_options map_parts",
        "config config_parser founding_keys key_names",
    ],
    "node/connections": ["clients input_budget metrics"],
    "node/controller": [
        "action_runner agent_survivors controller_agent host_view" +
        " node_reports state_follower store_binder",
        "controller_link windows wish_reports",
        "copy_stream copy_report move_room move_steps slot_mover writer_pauses",
    ],
    "node/http": [
        "http_conditions http_headers http_parameters http_replies http_reply" +
        " http_session ordered_scan ready_page web_page",
    ],
    "node/pages": ["info_page metrics_page"],
    "node/peers": [
        "forward_channel peer_answers peer_link peer_links peer_message",
    ],
    "node/resp": [
        "absent_state divided_commands group_commands group_questions" +
        " key_commands",
        "client_commands cluster_commands key_scan server_commands",
        "error_text help_reply reply_queue resp_session resp_transaction",
    ],
    "node/routing": [
        "connection_order forwarding peer_batches read_queue request_sink" +
        " result_room wait_order",
        "batch_queue group_leadership group_queue memory_gate peer_reads",
        "leader_balance live_view refused_commands router topology upkeep",
    ],
    "raft/core": [
        "applying core digest election",
        "configuration entry entry_list log_view progress quorum",
        "levels limits membership reads",
        "replication snapshots",
    ],
    "raft/host": [
        "admission host host_groups host_starts outbox",
        "admission_message bootstrap_record envelope founding_message" +
        " state_digests",
        "bytes_state_machine founding options_check snapshot_loader startup",
        "replica replica_snapshots replica_states",
    ],
    "raft/log": [
        "entry_reader live_entries log_state record replay scan" +
        " segment_opener spare_segment",
        "identity identity_format snapshot_format snapshot_staging",
        "end_mark log_impl log_segments recovery",
        "snapshot_store snapshot_store_impl",
    ],
    "raft/log/files": ["ballast file_remover segment_reader starts zero_fill"],
    "raft/transport": ["handshake hello_call refusal_log seen_starts transport"],
    "shardctrl": ["map partition placement planner"],
    "shardctrl/controller": [
        "apply founding machine rows wishes",
        "command reconcile recovery slot_moves state token",
    ],
}
