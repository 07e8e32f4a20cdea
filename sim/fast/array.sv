// A macro of the golden model's array behind the macro port of hw/interfaces.py: timing and converters are here, the device
// arithmetic is the golden macro's, called through array.h.  Integrate and a reading take what is programmed, a strobe as long
// as it is high, the rest one cycle: the fastest array that keeps to the port (`ideal_array` of model/cycles).
`include "sizes.svh"

module array_twin #(
    // Each macro has its own; the values here are those of the first, and a port that is not built in has one bit.
    parameter PLACE = 0,  // among the macros of the bench
    COLUMNS = `COLUMNS, LANES = `LANES, WORDS = `WORDS, DAC_BITS = `DAC_BITS, CHANNELS = `CHANNELS, GROUPS = `GROUPS,
    ADC_BITS = `ADC_BITS, STATE_BITS = `STATE_BITS, WORD_BITS = `WORD_BITS, INTEGRATE_BITS = `INTEGRATE_BITS,
    ENCODING_BITS = `ENCODING_BITS, PLANE_BITS = `PLANE_BITS, KIND_BITS = `KIND_BITS, READING_BITS = `READING_BITS,
    GROUP_BITS = `GROUP_BITS, ROW_BITS = `ROW_BITS, COLUMN_BITS = `COLUMN_BITS
) (
    input clk, rst,
    input port__dac_valid, output port__dac_ready,
    input [WORD_BITS-1:0] port__dac_word, input [LANES*DAC_BITS-1:0] port__dac_codes,
    input port__integrate, input [INTEGRATE_BITS-1:0] port__integrate_cycles, input [23:0] port__lsb,
    input [ENCODING_BITS-1:0] port__encoding, input [PLANE_BITS-1:0] port__plane,
    input [KIND_BITS-1:0] port__readout_kind, output bit signed [READING_BITS-1:0] port__reading,
    input [GROUP_BITS-1:0] port__group, input [CHANNELS*ADC_BITS-1:0] port__trial,
    output [CHANNELS-1:0] port__compare,
    input [ROW_BITS-1:0] port__write__row, input [COLUMNS-1:0] port__write__up, port__write__down,
    input port__write__depress, input [7:0] port__write__amplitude, input port__write__strobe,
    input port__transposed, input [ROW_BITS-1:0] port__first_row,
    input [COLUMN_BITS-1:0] port__raised, port__lowered,
    input port__erase, port__readout,
    input [ROW_BITS-1:0] port__readout_row, input [COLUMN_BITS-1:0] port__readout_column,
    output bit [STATE_BITS-1:0] port__readout_plus, port__readout_minus,
    output port__ready
);
    // Arguments have the size of the largest macro's: a C function has one type.
    import "DPI-C" function chandle array_open(input int place, dac_bits, channels);
    import "DPI-C" function void array_erase(input chandle it);
    import "DPI-C" function void array_integrate(
        input chandle it, input bit [`MOST_CODES_BITS-1:0] codes, input int plane, output bit [`MOST_SUMS*32-1:0] sums);
    import "DPI-C" function void array_integrate_transposed(
        input chandle it, input int raised, lowered, first_row, output bit [`MOST_SUMS*32-1:0] sums);
    import "DPI-C" function void array_strobe(
        input chandle it, input int row, input bit [`MOST_COLUMNS-1:0] up, down, input bit depress);
    import "DPI-C" function int array_readout(input chandle it, input int row, column);
    import "DPI-C" function longint array_reading(input chandle it, input int row, column, kind);

    chandle it;
    always @(posedge clk) if (rst || it == null) it = array_open(PLACE, DAC_BITS, CHANNELS);

    bit [WORDS*LANES*DAC_BITS-1:0] shadow;
    bit [(GROUPS*CHANNELS)*32-1:0] sums;  // columns beyond the last stay 0
    bit [`MOST_SUMS*32-1:0] fresh;
    bit [INTEGRATE_BITS-1:0] busy;  // cycles left
    bit strobed;
    int pair;
    // a bit plane of the codes, or all bits: -1
    wire signed [31:0] plane = int'(port__encoding) == `BIT_SERIAL ? int'(port__plane) : -1;
    assign port__dac_ready = 1;
    assign port__ready = busy == 0 && !(strobed && port__write__strobe);

    always @(posedge clk) begin
        strobed <= port__write__strobe;
        if (busy != 0) busy <= busy - 1;
        if (port__dac_valid) shadow[port__dac_word*LANES*DAC_BITS +: LANES*DAC_BITS] <= port__dac_codes;
        if (port__integrate) begin
            if (port__transposed) begin
                array_integrate_transposed(it, int'(port__raised), int'(port__lowered), int'(port__first_row), fresh);
                sums[CHANNELS*32-1:0] <= fresh[CHANNELS*32-1:0];
            end else begin
                array_integrate(it, `MOST_CODES_BITS'(shadow), plane, fresh);
                sums[COLUMNS*32-1:0] <= fresh[COLUMNS*32-1:0];
            end
            busy <= port__integrate_cycles == 0 ? 1 : port__integrate_cycles;
        end
        if (port__erase) begin
            array_erase(it);
            busy <= 1;
        end
        if (port__readout) begin
            pair = array_readout(it, int'(port__readout_row), int'(port__readout_column));
            port__readout_plus <= pair[STATE_BITS-1:0];
            port__readout_minus <= pair[16 +: STATE_BITS];
            busy <= 1;
            if (port__readout_kind != 0) begin  // it integrates like a read
                busy <= port__integrate_cycles == 0 ? 1 : port__integrate_cycles;
                port__reading <= READING_BITS'(array_reading(
                    it, int'(port__readout_row), int'(port__readout_column), int'(port__readout_kind)));
            end
        end
        if (port__write__strobe && !strobed)
            array_strobe(it, int'(port__write__row), `MOST_COLUMNS'(port__write__up), `MOST_COLUMNS'(port__write__down),
                port__write__depress);
    end

    wire signed [63:0] lsb = {40'b0, port__lsb};
    for (genvar k = 0; k < CHANNELS; k++) begin : channel
        wire signed [63:0] held = 64'($signed(sums[(port__group*CHANNELS + k)*32 +: 32]));
        wire signed [63:0] trial = 64'($signed(port__trial[k*ADC_BITS +: ADC_BITS]));
        assign port__compare[k] = 2*held >= (2*trial - 1)*lsb;
    end
endmodule
