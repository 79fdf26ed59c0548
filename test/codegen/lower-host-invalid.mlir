// RUN: transom-opt %s --transom-lower-host --split-input-file --verify-diagnostics

// expected-error @below {{expects a 'kernel.program'}}
module {
}

// -----

module {
  // expected-error @below {{expects 'transformer.name' on result 0}}
  kernel.program @forward(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "ids"})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens>) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
}

// -----

module {
  // expected-error @below {{expects input 'mask' to be a buffer of i32, one for each of an extent, got '!kernel.buffer<tensor<?x8xf32>, tokens>'}}
  kernel.program @forward(%i: !kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "mask"})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
}

// -----

module {
  // expected-error @below {{expects 'transformer.default' of input 'x' to be "first", "last", "last_non_padding" or "last_equal" if and only if its 'transformer.role' is "token_index"}}
  kernel.program @forward(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "x", transformer.default = "last"})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
}

// -----

module {
  // expected-error @below {{expects 'transformer.default' of input 'x' to be "zeros", "ones", "position_ids", "padding_aware_position_ids" or "shifted_right", got "twos"}}
  kernel.program @forward(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "x", transformer.default = "twos"})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
}

// -----

module {
  // expected-error @below {{expects 'transformer.role' of input 'x' to be "sequence_offsets", "key_lengths", "encoder_offsets", "encoder_key_lengths", "token_rows", "token_index", "output_positions", "cache_slots", "block_table", "block_offsets", "encoder_block_table", "encoder_block_offsets" or "cache", got "places"}}
  kernel.program @forward(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "x", transformer.role = "places"})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
}

// -----

module {
  // expected-error @below {{expects 'transformer.token_id' of input 'x' to be a number from 0 to 2^31 - 1}}
  kernel.program @forward(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "x", transformer.default = "shifted_right"})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
}

// -----

module {
  // expected-error @below {{expects an input of source tokens without 'transformer.default', which 'x' is made of}}
  kernel.program @forward(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "x", transformer.default = "shifted_right", transformer.token_id = 3 : i64})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
}

// -----

module {
  // expected-error @below {{expects 'transformer.padding_id' of input 'x' to be a number from 0 to 2^31 - 1}}
  kernel.program @forward(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "x", transformer.default = "padding_aware_position_ids", transformer.padding_id = -1 : i64})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
}

// -----

module {
  // expected-error @below {{expects an input without 'transformer.default', whose tokens 'x' counts}}
  kernel.program @forward(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "x", transformer.default = "padding_aware_position_ids", transformer.padding_id = 1 : i64})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
}

// -----

// expected-error @below {{'transformer.metadata' is not JSON: }}
module attributes {transformer.metadata = "{"} {
  kernel.program @forward(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "x"})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
}

// -----

module {
  // expected-error @below {{expects no cache, which only programs after the first can have}}
  kernel.program @forward(%c: !kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = "cache"})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
}

// -----

module {
  kernel.program @forward() -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
  // expected-error @below {{expects input 'cache' to be a cache, a buffer of f32 [slots, columns], got '!kernel.buffer<tensor<?x32xf32>, tokens>'}}
  kernel.program @step(%c: !kernel.buffer<tensor<?x32xf32>, tokens> {transformer.role = "cache"}) -> (!kernel.buffer<tensor<?x32xf32>, tokens> {transformer.role = "cache"}) arena [0, 0, 0, 0] {
    kernel.return %c : !kernel.buffer<tensor<?x32xf32>, tokens>
  }
}

// -----

module {
  kernel.program @forward() -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
  // expected-error @below {{expects one cache, got a second one}}
  kernel.program @step(%c: !kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = "cache"},
                       %d: !kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = "cache"}) -> (!kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = "cache"}) arena [0, 0, 0, 0] {
    kernel.return %c : !kernel.buffer<tensor<?x32xf32>, slots>
  }
}

// -----

module {
  kernel.program @forward() -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
  kernel.program @step(%c: !kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = "cache"}) -> (!kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = "cache"}) arena [0, 0, 0, 0] {
    kernel.return %c : !kernel.buffer<tensor<?x32xf32>, slots>
  }
  // expected-error @below {{expects a cache of 32 columns, as other programs have, got 64}}
  kernel.program @other(%c: !kernel.buffer<tensor<?x64xf32>, slots> {transformer.role = "cache"}) -> (!kernel.buffer<tensor<?x64xf32>, slots> {transformer.role = "cache"}) arena [0, 0, 0, 0] {
    kernel.return %c : !kernel.buffer<tensor<?x64xf32>, slots>
  }
}

// -----

module {
  kernel.program @forward() -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
  kernel.program @step(%c: !kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = "cache"})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.role = "cache"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    // expected-error @below {{expects the result with the role "cache" to be the program's argument with that role}}
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
}
