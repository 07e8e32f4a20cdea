// A controller, the golden model's array behind each of its macro ports, and a host that moves words in bulk and looks at
// the taps (harness.cpp).  `done` changes when the host has done what it was asked for.  The clock is an input, or with FREE_RUNNING the bench's own.
`include "sizes.svh"

`ifdef FREE_RUNNING
module bench(output bit done);
    bit clk = 0;
    always #5 clk = ~clk;
`else
module bench(input clk, output bit done);
`endif
    import "DPI-C" function chandle host_open();
    import "DPI-C" function void host_cycle(
        input chandle it, input bit request_ready, samples_ready, counts_ready,
        input bit response_valid, input int response, input bit result_valid, input int result,
        output bit reset, output bit request_valid, output bit [`REQUEST_BITS-1:0] request,
        output bit samples_valid, output bit [`SAMPLES_BITS-1:0] samples,
        output bit counts_valid, output bit [`COUNTS_BITS-1:0] counts, output bit done);

    // every port of the controller by its name, the controller, an array on each macro port, the taps
    `include "wires.svh"

    chandle it;  // null until there is a harness, as long as Python is not there yet
    assign request__payload = request;
    assign samples__payload = samples;
    assign counts__payload = counts;
    assign {response__ready, results__ready, image__ready} = '1;

    bit [`REQUEST_BITS-1:0] request, request_next;
    bit [`SAMPLES_BITS-1:0] samples, samples_next;
    bit [`COUNTS_BITS-1:0] counts, counts_next;
    bit reset_next, request_valid, samples_valid, counts_valid, done_next;
    initial rst = 1;

    always @(posedge clk) if (it == null) it = host_open(); else begin
        if (taps__valid != 0) see_taps(it);
        host_cycle(it, request__ready, samples__ready, counts__ready, response__valid, response__payload, results__valid,
            32'(results__payload), reset_next, request_valid, request_next, samples_valid, samples_next, counts_valid,
            counts_next, done_next);
        rst <= reset_next;
        request__valid <= request_valid;
        request <= request_next;
        samples__valid <= samples_valid;
        samples <= samples_next;
        counts__valid <= counts_valid;
        counts <= counts_next;
        done <= done_next;
    end
endmodule
