"""Functions of the server that change nothing, so that nobody has to ask who wrote them."""

from __future__ import annotations

__all__ = ["DROPS", "EXECUTES", "HARMLESS"]

DROPS = frozenset(
    {
        "add_drop_chunks_policy", "add_retention_policy", "drop_chunks", "dropgeometrycolumn",
        "dropgeometrytable", "droptopogeometrycolumn", "droptopology",
    }
)  # fmt: skip
"""Functions of PostGIS and TimescaleDB that drop what they are given the name of, or rows of it."""

EXECUTES = frozenset(
    {
        "crosstab", "crosstabn", "dblink", "dblink_exec", "dblink_open", "dblink_send_query",
        "query_to_xml", "query_to_xml_and_xmlschema", "query_to_xmlschema", "schedule",
        "schedule_in_database", "run_command_on_all_nodes", "run_command_on_colocated_placements",
        "run_command_on_placements", "run_command_on_shards", "run_command_on_workers", "ts_stat",
    }
)  # fmt: skip
"""Functions that run SQL given as text, here, elsewhere or later."""

HARMLESS = frozenset(
    {
        "abs", "age", "array_agg", "array_append", "array_cat", "array_length", "array_position",
        "array_remove", "array_replace", "array_to_json", "array_to_string", "ascii", "avg",
        "bit_length", "bool_and", "bool_or", "btrim", "cardinality", "ceil", "ceiling",
        "char_length", "chr", "clock_timestamp", "coalesce", "col_description", "concat",
        "concat_ws", "convert_from", "convert_to", "count", "cume_dist", "current_database",
        "current_schema", "current_schemas", "current_setting", "current_user", "currval",
        "date_bin", "date_part", "date_trunc", "decode", "dense_rank", "digest", "encode",
        "enum_first", "enum_last", "enum_range", "every", "exp", "extract", "first_value", "floor",
        "format", "format_type", "gen_random_bytes", "gen_random_uuid", "gen_salt",
        "generate_series", "generate_subscripts", "greatest", "has_column_privilege",
        "has_schema_privilege", "has_table_privilege", "hashtext", "hmac", "host", "initcap",
        "isfinite", "json_agg", "json_array_elements", "json_array_elements_text",
        "json_array_length", "json_build_array", "json_build_object", "json_each",
        "json_each_text", "json_extract_path", "json_extract_path_text", "json_object",
        "json_object_agg", "json_object_keys", "json_strip_nulls", "json_typeof", "jsonb_agg",
        "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_array_length",
        "jsonb_build_array", "jsonb_build_object", "jsonb_each", "jsonb_each_text",
        "jsonb_extract_path", "jsonb_extract_path_text", "jsonb_insert", "jsonb_object",
        "jsonb_object_agg", "jsonb_object_keys", "jsonb_path_exists", "jsonb_path_query",
        "jsonb_pretty", "jsonb_set", "jsonb_strip_nulls", "jsonb_to_record",
        "jsonb_to_recordset", "jsonb_typeof", "json_to_recordset", "justify_days", "lag",
        "last_value", "lastval", "lead", "least", "left", "length", "like_escape", "ln",
        "localtimestamp", "log", "lower", "lpad", "ltrim", "make_date", "make_interval",
        "make_time", "make_timestamp", "make_timestamptz", "max", "md5", "min", "mod", "mode",
        "nextval", "now", "nth_value", "ntile", "nullif", "num_nonnulls", "num_nulls",
        "obj_description", "octet_length", "overlay", "parse_ident", "percent_rank",
        "percentile_cont", "percentile_disc", "pg_advisory_lock", "pg_advisory_unlock",
        "pg_advisory_xact_lock", "pg_backend_pid", "pg_column_size", "pg_get_constraintdef",
        "pg_get_expr", "pg_get_indexdef", "pg_get_serial_sequence", "pg_get_viewdef",
        "pg_is_in_recovery", "pg_notify", "pg_relation_size", "pg_size_pretty", "pg_sleep",
        "pg_table_is_visible", "pg_total_relation_size", "pg_try_advisory_lock",
        "pg_try_advisory_xact_lock", "pg_typeof", "plainto_tsquery", "position", "power",
        "quote_ident", "quote_literal", "quote_nullable", "random", "rank", "regexp_match",
        "regexp_matches", "regexp_replace", "regexp_split_to_array", "regexp_split_to_table",
        "repeat", "replace", "reverse", "right", "round", "row_number", "row_to_json", "rpad",
        "rtrim", "setval", "setweight", "sha256", "sign", "similarity", "split_part", "sqrt",
        "starts_with", "statement_timestamp", "stddev", "string_agg", "string_to_array",
        "string_to_table", "strpos", "substr", "substring", "sum", "timezone", "to_char",
        "to_date", "to_json", "to_jsonb", "to_number", "to_regclass", "to_regtype",
        "to_timestamp", "to_tsquery", "to_tsvector", "transaction_timestamp", "translate", "trim",
        "trunc", "ts_rank", "txid_current", "unnest", "upper", "uuid_generate_v1",
        "uuid_generate_v4", "uuid_generate_v5", "uuidv4", "uuidv7", "variance", "version",
        "width_bucket",
    }
)  # fmt: skip
