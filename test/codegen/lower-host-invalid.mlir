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
  kernel.program @forward(%c: !kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = #transformer.role<cache>})
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
  kernel.program @step(%c: !kernel.buffer<tensor<?x32xf32>, tokens> {transformer.role = #transformer.role<cache>}) -> (!kernel.buffer<tensor<?x32xf32>, tokens> {transformer.role = #transformer.role<cache>}) arena [0, 0, 0, 0] attributes {transformer.program = #transformer.program<step>} {
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
  kernel.program @step(%c: !kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = #transformer.role<cache>},
                       %d: !kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = #transformer.role<cache>}) -> (!kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = #transformer.role<cache>}) arena [0, 0, 0, 0] attributes {transformer.program = #transformer.program<step>} {
    kernel.return %c : !kernel.buffer<tensor<?x32xf32>, slots>
  }
}

// -----

module {
  kernel.program @forward() -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
  kernel.program @step(%c: !kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = #transformer.role<cache>}) -> (!kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = #transformer.role<cache>}) arena [0, 0, 0, 0] attributes {transformer.program = #transformer.program<step>} {
    kernel.return %c : !kernel.buffer<tensor<?x32xf32>, slots>
  }
  // expected-error @below {{expects a cache of 32 columns, as other programs have, got 64}}
  kernel.program @other(%c: !kernel.buffer<tensor<?x64xf32>, slots> {transformer.role = #transformer.role<cache>}) -> (!kernel.buffer<tensor<?x64xf32>, slots> {transformer.role = #transformer.role<cache>}) arena [0, 0, 0, 0] attributes {transformer.program = #transformer.program<encode>} {
    kernel.return %c : !kernel.buffer<tensor<?x64xf32>, slots>
  }
}

// -----

module {
  kernel.program @forward() -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
  kernel.program @step(%c: !kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = #transformer.role<cache>})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.role = #transformer.role<cache>}) arena [256, 0, 0, 0] attributes {transformer.program = #transformer.program<step>} {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    // expected-error @below {{expects the result with the role "cache" to be the program's argument with that role}}
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
}

// -----

module {
  kernel.program @forward() -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
  // expected-error @below {{expects one program of each kind, got a second 'forward'}}
  kernel.program @again() -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
}
