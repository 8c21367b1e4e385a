// Philox4x32-10 in WGSL, as src/random.ts has it (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).

/** `multiply_high(a: u32, b: u32) -> u32`. */
export const MULTIPLY_HIGH = `// The high 32 bits of a 64-bit product, from four products of 16 bits.
fn multiply_high(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u);
}
`;

/** `philox(counter: vec4u, key: vec2u) -> vec4u`. */
export const PHILOX = `${MULTIPLY_HIGH}fn philox(counter: vec4u, seed: vec2u) -> vec4u {
  var c = counter;
  var key = seed;
  for (var round = 0u; round < 10u; round++) {
    c = vec4u(
      multiply_high(c.z, 0xcd9e8d57u) ^ c.y ^ key.x,
      c.z * 0xcd9e8d57u,
      multiply_high(c.x, 0xd2511f53u) ^ c.w ^ key.y,
      c.x * 0xd2511f53u,
    );
    key += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}
`;
