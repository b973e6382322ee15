"""Loan lines as a person would type them, for the tests of their readers."""

ORIGINATION = (
    "745|200503|N|203502|16974|000|1|P|80|34|180000|80|5.875|R|N|FRM|IL|SF|606|F05Q10000001|P|360|2|BANK A"
)
R47_ORIGINATION = f"{ORIGINATION}|N||H|N|2|N|701"
LEGACY_ORIGINATION = f"{ORIGINATION.replace('|606|', '|60600|')}|SERVICER B|||H||2|N|7"

_START = "F05Q10000001|200709|0.00|{status}|30|329|||09|200709|5.875|0.00|"
_LOSSES = "{mi}|{proceeds}|{other}|{expenses}||||{misc}|{loss}||||999|171234.56|14234.00|||"
R47_MONTH = (
    _START.format(status="04")
    + "200705|"
    + _LOSSES.format(
        mi="-1200.50", proceeds="-120000.00", other="-10", expenses="9000", misc="9000", loss="63258.06"
    )
    + "|0.00|7|OTHER|"
)
LEGACY_MONTH = (
    _START.format(status="4")
    + "200705|"
    + _LOSSES.format(
        mi="1200.50", proceeds="120000.00", other="10", expenses="-9000", misc="-9000", loss="-63258.06"
    )
    + "|0.00"
)
