// RUN: transom-opt %s --split-input-file --verify-diagnostics

// What an argument's attributes can't say together fails where it is written.

// expected-error @below {{argument 0 expects 'transformer.role' to be a #transformer.role, got "cache"}}
func.func private @role_is_no_text(tensor<?x8xf32> {transformer.role = "cache"})

// -----

// expected-error @+2 {{expected ::transom::transformer::InputRole to be one of: values, sequence_offsets,}}
// expected-error @+1 {{failed to parse}}
func.func private @role_is_unknown(tensor<?xi32> {transformer.role = #transformer.role<places>})

// -----

// expected-error @below {{argument 0 expects 'transformer.default' to be a #transformer.default, got "zeros"}}
func.func private @default_is_no_text(tensor<?xi32> {transformer.default = "zeros"})

// -----

// expected-error @+2 {{expected ::transom::transformer::DefaultKind to be one of: zeros, position_ids,}}
// expected-error @+1 {{failed to parse}}
func.func private @default_is_unknown(tensor<?xi32> {transformer.default = #transformer.default<twos>})

// -----

// expected-error @below {{expects default 'shifted_right' with an operand}}
func.func private @default_lacks_operand(tensor<?xi32> {transformer.default = #transformer.default<shifted_right>})

// -----

// expected-error @below {{expects default 'ones' without an operand}}
func.func private @default_takes_no_operand(tensor<?xi32> {transformer.default = #transformer.default<ones, 1>})

// -----

// expected-error @below {{expects the operand of default 'padding_aware_position_ids' to be 0 or more, got -1}}
func.func private @operand_is_no_id(tensor<?xi32> {transformer.default = #transformer.default<padding_aware_position_ids, -1>})

// -----

// expected-error @below {{argument 0 expects a default for role 'values' (zeros, ones, position_ids, padding_aware_position_ids, shifted_right), got #transformer.default<last>}}
func.func private @values_default_to_no_token(tensor<?xi32> {transformer.default = #transformer.default<last>})

// -----

// expected-error @below {{argument 0 expects a default for role 'token_index' (first, last, last_non_padding, last_equal), got #transformer.default<zeros>}}
func.func private @index_defaults_to_a_token(
    tensor<?xi32> {transformer.default = #transformer.default<zeros>, transformer.dims = ["batch"], transformer.role = #transformer.role<token_index>})

// -----

// expected-error @below {{argument 0 expects no default with role 'block_table', got #transformer.default<zeros>}}
func.func private @what_the_runtime_makes_has_no_default(
    tensor<?xi32> {transformer.default = #transformer.default<zeros>, transformer.role = #transformer.role<block_table>})

// -----

// expected-error @below {{argument 0 expects an input of encoder tokens without 'transformer.default' beside it, whose ids #transformer.default<shifted_right, 3> reads}}
func.func private @nothing_to_shift(
    tensor<?xi32> {transformer.default = #transformer.default<shifted_right, 3>, transformer.dims = ["tokens"]},
    tensor<?xi32> {transformer.dims = ["tokens"]})

// -----

// expected-error @below {{argument 0 expects an input of tokens without 'transformer.default' beside it, whose ids #transformer.default<padding_aware_position_ids, 1> reads}}
func.func private @nothing_to_count(
    tensor<?xi32> {transformer.default = #transformer.default<padding_aware_position_ids, 1>, transformer.dims = ["tokens"]})

// -----

// expected-error @below {{argument 0 expects its first dimension to be "sequences+1" with role 'sequence_offsets', got ["tokens"]}}
func.func private @offsets_of_tokens(
    tensor<?xi32> {transformer.dims = ["tokens"], transformer.role = #transformer.role<sequence_offsets>})

// -----

// expected-error @below {{argument 0 expects integers with role 'key_lengths', got 'tensor<?xf32>'}}
func.func private @lengths_are_integers(
    tensor<?xf32> {transformer.dims = ["sequences"], transformer.role = #transformer.role<key_lengths>})

// -----

// expected-error @below {{argument 0 expects floating-point numbers with role 'cache', got 'tensor<?x8xi32>'}}
func.func private @cache_of_integers(
    tensor<?x8xi32> {transformer.dims = ["slots", "columns"], transformer.role = #transformer.role<cache>})

// -----

// expected-error @below {{argument 0 expects no 'transformer.contiguous' with role 'values'}}
func.func private @values_are_never_contiguous(tensor<?xi32> {transformer.contiguous})

// -----

// expected-error @below {{argument 0 expects 'transformer.bound' to be a number above 0, got 0 : i64}}
func.func private @no_value_is_in_bounds(tensor<?xi32> {transformer.bound = 0 : i64})

// -----

// expected-error @below {{argument 0 expects 'transformer.dims' to be an array of names, got [1]}}
func.func private @dimensions_have_names(tensor<?xi32> {transformer.dims = [1]})

// -----

// expected-error @below {{argument 0 expects 'transformer.padding_id' to be an attribute of arguments, got 1 : i64}}
func.func private @argument_has_unknown_attribute(tensor<?xi32> {transformer.padding_id = 1 : i64})

// -----

// expected-error @below {{result 0 expects 'transformer.bound' to be an attribute of results, got 2 : i64}}
func.func private @result_has_no_bound() -> (tensor<?xi32> {transformer.bound = 2 : i64})

// -----

// expected-error @below {{result 0 expects no role but 'cache', got 'key_lengths'}}
func.func private @result_is_no_input() -> (tensor<?xi32> {transformer.role = #transformer.role<key_lengths>})

// -----

// expected-error @below {{expects 'transformer.program' (a #transformer.program) or 'transformer.generates' (a unit) of a function, or 'transformer.metadata' (a string) of a module, got 'transformer.program' = "step"}}
func.func private @program_is_no_text() attributes {transformer.program = "step"}

// -----

// expected-error @below {{got 'transformer.generates'}}
module attributes {transformer.generates} {}
