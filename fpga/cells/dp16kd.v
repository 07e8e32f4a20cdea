// Block RAM of the ECP5 as Yosys uses it: no output registers, both clocks the same signal or one of them idle.
// A read of what the other port writes in the same cycle is undefined in silicon: here it gives the complement.
module DP16KD (
  input
    DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13, DIA14, DIA15,
    DIA16, DIA17,
  input
    ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
  input
    CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
  output
    DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13, DOA14, DOA15,
    DOA16, DOA17,
  input
    DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12, DIB13, DIB14, DIB15,
    DIB16, DIB17,
  input
    ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
  input
    CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
  output
    DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13, DOB14, DOB15,
    DOB16, DOB17
);
  parameter
    INITVAL_00 = 320'b0, INITVAL_01 = 320'b0, INITVAL_02 = 320'b0, INITVAL_03 = 320'b0, INITVAL_04 = 320'b0,
    INITVAL_05 = 320'b0, INITVAL_06 = 320'b0, INITVAL_07 = 320'b0, INITVAL_08 = 320'b0, INITVAL_09 = 320'b0,
    INITVAL_0A = 320'b0, INITVAL_0B = 320'b0, INITVAL_0C = 320'b0, INITVAL_0D = 320'b0, INITVAL_0E = 320'b0,
    INITVAL_0F = 320'b0, INITVAL_10 = 320'b0, INITVAL_11 = 320'b0, INITVAL_12 = 320'b0, INITVAL_13 = 320'b0,
    INITVAL_14 = 320'b0, INITVAL_15 = 320'b0, INITVAL_16 = 320'b0, INITVAL_17 = 320'b0, INITVAL_18 = 320'b0,
    INITVAL_19 = 320'b0, INITVAL_1A = 320'b0, INITVAL_1B = 320'b0, INITVAL_1C = 320'b0, INITVAL_1D = 320'b0,
    INITVAL_1E = 320'b0, INITVAL_1F = 320'b0, INITVAL_20 = 320'b0, INITVAL_21 = 320'b0, INITVAL_22 = 320'b0,
    INITVAL_23 = 320'b0, INITVAL_24 = 320'b0, INITVAL_25 = 320'b0, INITVAL_26 = 320'b0, INITVAL_27 = 320'b0,
    INITVAL_28 = 320'b0, INITVAL_29 = 320'b0, INITVAL_2A = 320'b0, INITVAL_2B = 320'b0, INITVAL_2C = 320'b0,
    INITVAL_2D = 320'b0, INITVAL_2E = 320'b0, INITVAL_2F = 320'b0, INITVAL_30 = 320'b0, INITVAL_31 = 320'b0,
    INITVAL_32 = 320'b0, INITVAL_33 = 320'b0, INITVAL_34 = 320'b0, INITVAL_35 = 320'b0, INITVAL_36 = 320'b0,
    INITVAL_37 = 320'b0, INITVAL_38 = 320'b0, INITVAL_39 = 320'b0, INITVAL_3A = 320'b0, INITVAL_3B = 320'b0,
    INITVAL_3C = 320'b0, INITVAL_3D = 320'b0, INITVAL_3E = 320'b0, INITVAL_3F = 320'b0;
  parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18, REGMODE_A = "NOREG", REGMODE_B = "NOREG";
  parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL", CLKAMUX = "CLKA", CLKBMUX = "CLKB";
  parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC", GSR = "AUTO";
  parameter CSDECODE_A = "0b000", CSDECODE_B = "0b000";

  wire [35:0] din = {
    DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2,
    DIB1, DIB0, DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
    DIA3, DIA2, DIA1, DIA0
  };
  wire [13:0] ada = {
    ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0
  };
  wire [13:0] adb = {
    ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0
  };

  // Two words of 18 bits side by side; widths below 9 leave the ninth bit of each byte out.
  reg [35:0] mem [0:511];
  reg [17:0] doa, dob, high;  // high: of a read of 36 bits, which comes out at the pins of both ports
  assign {
    DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2,
    DOA1, DOA0
  } = DATA_WIDTH_B == 36 ? dob : doa;
  assign {
    DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2,
    DOB1, DOB0
  } = DATA_WIDTH_B == 36 ? high : dob;

  function [5:0] low(input integer width, input [13:0] address);
    low = (width == 36 ? 0 : address[4] ? 18 : 0)
        + (width >= 18 ? 0 : address[3] ? 9 : 0)
        + (width == 4 ? {address[2], 2'b0} : width == 2 ? {address[2:1], 1'b0} : width == 1 ? address[2:0] : 0);
  endfunction

  function [35:0] touched(input integer width, input [13:0] address);
    touched = (36'hfffffffff >> (36 - width)) << low(width, address);
  endfunction

  function [35:0] enabled(input integer width, input [13:0] address);
    reg [35:0] bytes;
    begin
      bytes = {{9{address[3]}}, {9{address[2]}}, {9{address[1]}}, {9{address[0]}}};
      enabled = touched(width, address)
              & (width == 36 ? bytes : width == 18 ? {bytes[17:0], bytes[17:0]} : 36'hfffffffff);
    end
  endfunction

  function [35:0] merged(input [35:0] old, input [35:0] next, input [35:0] mask);
    merged = (old & ~mask) | (next & mask);
  endfunction

  wire writes_a = CEA && WEA && !RSTA;
  wire writes_b = CEB && WEB && !RSTB;
  wire [35:0] mask_a = writes_a ? enabled(DATA_WIDTH_A, ada) : 36'b0;
  wire [35:0] mask_b = writes_b ? enabled(DATA_WIDTH_B, adb) : 36'b0;
  wire [35:0] new_a = (DATA_WIDTH_A == 36 ? din : {18'b0, din[17:0]}) << low(DATA_WIDTH_A, ada);
  wire [35:0] new_b = {18'b0, din[35:18]} << low(DATA_WIDTH_B, adb);
  wire same = ada[13:5] == adb[13:5];

  reg [35:0] seen_a, seen_b;
  always @(posedge CLKA) begin
    seen_a = merged(mem[ada[13:5]], ~new_b, same ? mask_b : 36'b0);
    if (writes_a) mem[ada[13:5]] = merged(mem[ada[13:5]], new_a, mask_a);
    if (WRITEMODE_A == "WRITETHROUGH") seen_a = merged(seen_a, new_a, mask_a);
    seen_a = (seen_a & touched(DATA_WIDTH_A, ada)) >> low(DATA_WIDTH_A, ada);
    if (RSTA) doa <= 0;
    else if (CEA && !(writes_a && WRITEMODE_A == "NORMAL")) doa <= seen_a[17:0];
  end
  always @(posedge CLKB) begin
    seen_b = merged(mem[adb[13:5]], ~new_a, same ? mask_a : 36'b0);
    if (writes_b) mem[adb[13:5]] = merged(mem[adb[13:5]], new_b, mask_b);
    if (WRITEMODE_B == "WRITETHROUGH") seen_b = merged(seen_b, new_b, mask_b);
    seen_b = (seen_b & touched(DATA_WIDTH_B, adb)) >> low(DATA_WIDTH_B, adb);
    if (RSTB) {high, dob} <= 0;
    else if (CEB && !(writes_b && WRITEMODE_B == "NORMAL")) {high, dob} <= seen_b;
  end

  always @(RSTA or RSTB)
    if (RESETMODE == "ASYNC" && (RSTA === 1'b1 || RSTB === 1'b1)) begin
      $display("%m: there is no model of an asynchronous reset");
      $finish;
    end

  reg [64*320-1:0] init;
  reg [39:0] pair;
  integer i;
  initial begin
    if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG" || CLKAMUX != "CLKA" || CLKBMUX != "CLKB"
        || CSDECODE_A != "0b000" || CSDECODE_B != "0b000") begin
      $display("%m: there is no model of this mode");
      $finish;
    end
    {high, dob, doa} = 0;
    init = {
      INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
      INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
      INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
      INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
      INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
      INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
      INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
      INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
    };
    for (i = 0; i < 512; i = i + 1) begin  // words have 20 bits of it each
      pair = init[40*i +: 40];
      mem[i] = {pair[37:20], pair[17:0]};
    end
  end
endmodule
